"""How exposed each training patient is: shadow trainings, an attack on each patient, and what it finds by budget and by group."""
