"""Shows people: HTTP service, figures and reports. Ray only in `serve/app.py`."""
