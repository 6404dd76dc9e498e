package lab

// A Suite is what Main runs: a *testing.M.
type Suite interface{ Run() int }
