"""Where events come from: each source turns files or posts into deliveries (step 6 of the data flow)."""
