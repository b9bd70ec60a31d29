"""One command that measures the product beside a floor: `make bench`. Nothing of the product imports it."""
