"""Judgement of generated fields: no field has a truth of its own, so sets are compared with sets."""
