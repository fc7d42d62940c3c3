"""Strong lenses: one forward operator, batched and differentiable, for simulation and for inversion."""
