"""The zoo's table, third part: networks that do other things than classify images."""

from __future__ import annotations

from .model_info import ModelInfo

RONNEBERGER = (
    'O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image '
    'segmentation", 2015'
)
REDMON = 'J. Redmon, A. Farhadi, "YOLOv3: an incremental improvement", 2018'
RADFORD = (
    'A. Radford, L. Metz, S. Chintala, "Unsupervised representation learning with deep '
    'convolutional generative adversarial networks", 2016'
)
OORD = 'A. van den Oord et al., "WaveNet: a generative model for raw audio", 2016'

ROWS: tuple[ModelInfo, ...] = (
    ModelInfo(
        "unet", "unet:UNet", "unet", RONNEBERGER, 23, 31_037_698, arguments={"in_channels": 3},
        input_shape=(3, 256, 256), num_classes=2,
    ),
    ModelInfo(
        "unet_2015", "unet:UNet", "unet", RONNEBERGER, 23, 31_030_658,
        arguments={"padding": "valid", "batch_norm": False}, input_shape=(1, 572, 572),
        num_classes=2,
    ),
    ModelInfo(
        "yolov3_tiny", "yolo:YOLOv3Tiny", "yolo", REDMON, 11, 8_852_366,
        input_shape=(3, 416, 416), num_classes=80,
    ),
    ModelInfo(
        "dcgan_generator", "dcgan:DCGANGenerator", "dcgan", RADFORD, 5, 12_658_432,
        input_shape=(100,), num_classes=0,
    ),
    ModelInfo(
        "dcgan_discriminator", "dcgan:DCGANDiscriminator", "dcgan", RADFORD, 5, 11_036_160,
        input_shape=(3, 64, 64), num_classes=1,
    ),
    ModelInfo(
        "wavenet", "wavenet:WaveNet", "wavenet", OORD, 23, 533_376, input_shape=(256, 2048),
        num_classes=256,
    ),
)  # fmt: skip
