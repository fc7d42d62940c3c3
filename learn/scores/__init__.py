"""What a painted map is judged by: one statistic a file. Knows arrays; nothing of networks, files or figures.

Maps of one simulation are not independent, so a simulation is the unit of every mean and of every resampling.
"""
