// Package monitor tells people and programs how a scan is doing: the status line, the file of status updates, warnings
// about lost packets, the log's lines and the metadata written at the end. All of them look as C ZMap's do.
//
//	log := slog.New(monitor.NewLogHandler(os.Stderr, monitor.LogOptions{Level: monitor.Verbosity(3)}))
//	csv, err := monitor.NewCSV(file, nil)
//	...
//	mon := monitor.New(monitor.NewWarnings(log), monitor.NewStatus(os.Stderr, monitor.Plain), csv)
//	cfg.Hooks.Progress = func(p zmap.Progress) { err = mon.Observe(monitor.SampleOf(&p, plan)) }
//
// A [Sample] is a scan's numbers at one moment. A [Meter] makes it a [Reading] by adding the rates, and every [Output] shows
// the same reading, so that the line on the screen and the row in the file never differ.
//
// The package reads no clock, opens no file and ends no scan: numbers are handed in, and limits such as --min-hitrate are
// the engine's. Everything here is plain data but for the functions in convert.go, which know package zmap.
package monitor
