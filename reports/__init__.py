"""What a finished run is turned into for others to read. Reads run directories and nothing else."""
