"""What each operation of an artifact takes, by its runtime's own clock."""
