"""Networks: shapes in, shapes out. No loss, no data, no units."""
