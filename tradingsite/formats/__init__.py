"""How Django writes instants where nobody says otherwise: in the control room."""
