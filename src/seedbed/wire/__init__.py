"""HTTP as engines need it: requests that can be stopped, signed, and tried again. It knows no server's answers."""
