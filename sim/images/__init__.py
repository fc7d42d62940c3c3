"""Images of lenses as telescopes leave them, made ready step by step for an inversion; no torch, no figures."""
