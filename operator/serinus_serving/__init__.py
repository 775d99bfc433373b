"""What runs beside models: programs of their own, which import nothing of the operator, nor it of them."""
