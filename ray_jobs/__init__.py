"""Makes it wide: a job reads a configuration, connects to Ray, calls `sim` or `learn`, writes. No science here."""
