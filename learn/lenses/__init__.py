"""Images of lenses on disk, made ready for an inversion, and pictures of it."""
