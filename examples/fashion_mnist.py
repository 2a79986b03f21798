"""Train a small convolutional network on Fashion-MNIST: `python examples/fashion_mnist.py`."""

import tilewise as tw
from tilewise import data, nn, optim


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32 * 7 * 7, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.conv2(x)), 2)
        return self.fc(x.flatten(1))


tw.manual_seed(0)
to_tensor = data.transforms.ToTensor()
train = data.DataLoader(data.FashionMNIST(transform=to_tensor), batch_size=64, shuffle=True)
test = data.DataLoader(data.FashionMNIST(train=False, transform=to_tensor), batch_size=500)

model = Net()
optimizer = optim.AdamW(model.parameters(), lr=2e-3)
loss_fn = nn.CrossEntropyLoss()

for epoch in range(3):
    model.train()
    for images, labels in train:
        loss = loss_fn(model(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    model.eval()
    with tw.no_grad():
        right = sum((model(x).argmax(dim=1) == y).sum().item() for x, y in test)
    print(f"epoch {epoch + 1}: {100 * right / len(test.dataset):.2f} % of the test images right")

tw.save(model.state_dict(), "fashion_mnist.safetensors")
