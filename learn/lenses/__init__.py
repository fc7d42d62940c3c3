"""Strong lenses inverted: from an image to the unlensed source, the lens and their uncertainties."""
