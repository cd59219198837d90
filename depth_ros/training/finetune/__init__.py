"""Fine-tuning on the user's own rig, without truth."""
