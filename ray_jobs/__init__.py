"""Makes it wide: each job reads a configuration, connects to Ray, calls `sim` or `learn`, and writes. No science here."""
