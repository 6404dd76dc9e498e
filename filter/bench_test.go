package filter

import "testing"

func BenchmarkMatch(b *testing.B) {
	s := testSchema()
	r := testRow(s)
	for _, bench := range []struct{ name, filter string }{
		{"default", "success = 1 && repeat = 0"},
		{"order", "sport >= 80 && sport <= 90"},
		{"text", "classification = synack"},
		{"network", "saddr in 20.0.0.0/8"},
		{"five", "success = 1 && repeat = 0 && sport = 80 && classification != rst && acknum > 5"},
	} {
		b.Run(bench.name, func(b *testing.B) {
			p, err := Compile(bench.filter, s)
			if err != nil {
				b.Fatal(err)
			}
			if !p.Match(r) {
				b.Fatalf("%q does not match", bench.filter)
			}
			b.ReportAllocs()
			for b.Loop() {
				p.Match(r)
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	s := testSchema()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Compile("success = 1 && repeat = 0", s); err != nil {
			b.Fatal(err)
		}
	}
}
