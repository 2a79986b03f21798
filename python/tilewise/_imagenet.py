"""What ImageNet's photographs are like: the figures that published weights were trained with."""

# Of the training pixels, scaled to [0, 1], for red, green and blue.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
