"""In the place of accelerate for denoising-diffusion-pytorch, whose Trainer alone needs it."""

Accelerator = None
