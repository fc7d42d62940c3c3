"""Masses of lens models: what is measured, with errors, and the tables, figures, maps and exports of it."""
