"""What the commands share: arguments, inputs, progress, tables."""
