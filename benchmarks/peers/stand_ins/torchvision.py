"""In the place of torchvision for denoising-diffusion-pytorch, which needs it for image files alone."""

transforms = utils = None
