"""What is known of drops and of kernel functions, as data that anybody can extend: the *.toml files beside this."""
