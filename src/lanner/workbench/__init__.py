"""The workbench of those who write rules: events picked and made, rule tests, coverage, and why a rule matched."""
