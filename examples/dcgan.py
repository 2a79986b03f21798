"""Train a DCGAN on Fashion-MNIST: `python examples/dcgan.py --picture clothes.png`.

Generator and discriminator play as in the paper (Radford et al., 2016): the discriminator learns
to tell real from made images, the generator to be taken for real. After 600 steps, about a minute
on two cores, the images are shirts, trousers and shoes to the eye.
"""

import argparse

import numpy as np

import tilewise as tw
from tilewise import data, models, optim
from tilewise.nn import functional as F

LATENT = 64


def real_images():
    """All training images, (N, 1, 32, 32) in [-1, 1]."""
    images = data.FashionMNIST().images.astype(np.float32) / 127.5 - 1
    return np.pad(images, ((0, 0), (2, 2), (2, 2)), constant_values=-1)[:, None]


def save_picture(images, path):
    """An 8×8 sheet of images."""
    from PIL import Image  # pip install 'tilewise[data]'

    tiles = ((images.numpy()[:, 0] + 1) * 127.5).clip(0, 255).astype(np.uint8)
    sheet = tiles.reshape(8, 8, 32, 32).transpose(0, 2, 1, 3).reshape(256, 256)
    Image.fromarray(sheet).resize((768, 768)).save(path)
    print(f"wrote {path}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=600, help="batches to learn from (600)")
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--width", type=int, default=24, help="of both networks (24)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--weights", metavar="FILE", help="write the generator, as .safetensors")
    parser.add_argument("--picture", metavar="FILE", help="save 64 made images; needs Pillow")
    options = parser.parse_args()

    tw.manual_seed(options.seed)
    rng = np.random.default_rng(options.seed)
    images = real_images()
    generator = models.DCGANGenerator(LATENT, channels=1, width=options.width, size=32)
    discriminator = models.DCGANDiscriminator(channels=1, width=options.width, size=32)
    # The paper's first momentum keeps the game stable; the generator may learn faster than the
    # discriminator, which otherwise wins early and has no more to say.
    g_optimizer = optim.Adam(generator.parameters(), lr=1e-3, betas=(0.5, 0.999))
    d_optimizer = optim.Adam(discriminator.parameters(), lr=2e-4, betas=(0.5, 0.999))
    bce = F.binary_cross_entropy_with_logits
    yes, no = tw.ones(options.batch_size), tw.zeros(options.batch_size)
    nearly = 0.9 * yes  # a discriminator that is never quite sure (Salimans et al., 2016)
    noise = tw.randn(64, LATENT)  # the same for every picture

    for step in range(1, options.steps + 1):
        real = tw.from_numpy(images[rng.integers(len(images), size=options.batch_size)])
        made = generator(tw.randn(options.batch_size, LATENT))

        d_loss = bce(discriminator(real), nearly) + bce(discriminator(made.detach()), no)
        d_optimizer.zero_grad()
        d_loss.backward()
        d_optimizer.step()

        taken_for = discriminator(made)
        g_loss = bce(taken_for, yes)
        g_optimizer.zero_grad()
        g_loss.backward()
        g_optimizer.step()

        if step % 50 == 0 or step == options.steps:
            fooled = 100 * (taken_for > 0).to(tw.float32).mean().item()
            print(
                f"step {step:4}  discriminator {d_loss.item():.3f}  generator {g_loss.item():.3f}  "
                f"{fooled:.0f} % of the made images pass for real"
            )

    if options.weights:
        tw.save(generator.state_dict(), options.weights)
    if options.picture:
        generator.eval()
        with tw.no_grad():
            save_picture(generator(noise), options.picture)


if __name__ == "__main__":
    main()
