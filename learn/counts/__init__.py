"""Halos counted in cells: how they are judged, beside what knows no network, and shown."""
