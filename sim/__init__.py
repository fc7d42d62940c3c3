"""Makes data: dark-matter simulations, halos, their hydro-like counterparts and paired maps. Knows nothing of Ray."""
