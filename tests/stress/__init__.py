"""Long tests with figures: faults, soak, fuzz. Each prints a table and ends with 1 where a bound is broken."""
