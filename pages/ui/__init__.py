"""What pages share: the study at hand, controls bound to the address, and the blocks that a page is made of."""
