"""Images in, a network out: training on photographs and fine-tuning on a lab's own stacks."""
