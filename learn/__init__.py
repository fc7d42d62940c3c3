"""Makes models: data, networks, training, prediction and judgement. Knows nothing of Ray."""
