"""What a configuration will take: disk, memory, jobs and time, before it runs."""
