"""The shell: the processes of the ring, their pipes, their shared memory, and curl."""
