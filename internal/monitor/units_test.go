package monitor

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"
)

func TestQuantityBoundaries(t *testing.T) {
	tests := []struct {
		n    float64
		want string
	}{
		{0, "0 "},
		{0.9, "0 "},
		{1, "1 "},
		{823, "823 "},
		{999, "999 "},
		{999.999, "999 "},
		{1000, "1.00 K"},
		{1005, "1.00 K"}, // 1.005 is a little less than that in binary, as in C
		{5140, "5.14 K"},
		{9994, "9.99 K"},
		{9995, "9.99 K"},
		{9999, "10.00 K"},
		{10_000, "10.0 K"},
		{29_000, "29.0 K"},
		{99_949, "99.9 K"},
		{99_999, "100.0 K"},
		{100_000, "100 K"},
		{213_499, "213 K"},
		{999_499, "999 K"},
		{999_999, "1000 K"},
		{1_000_000, "1.00 M"},
		{1_488_095, "1.49 M"},
		{14_880_952, "14.88 M"},
		{148_809_523, "148.81 M"},
		{1e12, "1000000.00 M"},
		{-1, "0 "},
		{math.NaN(), "0 "},
		{math.Inf(-1), "0 "},
	}
	for _, tt := range tests {
		if got := string(appendQuantity(nil, tt.n)); got != tt.want {
			t.Errorf("appendQuantity(%v) = %q, want %q", tt.n, got, tt.want)
		}
	}
}

// slowQuantity says the rule again, with printf and the words of the documentation.
func slowQuantity(n uint32) string {
	digits := len(fmt.Sprint(n))
	switch {
	case digits <= 3:
		return fmt.Sprintf("%d ", n)
	case digits <= 6:
		return fmt.Sprintf("%.*f K", 6-digits, float64(n)/1000)
	default:
		return fmt.Sprintf("%.2f M", float64(n)/1000000)
	}
}

func TestQuantityIsAsPrintf(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		n := rng.Uint32() >> rng.IntN(32)
		if got, want := string(appendQuantity(nil, float64(n))), slowQuantity(n); got != want {
			t.Fatalf("appendQuantity(%d) = %q, want %q", n, got, want)
		}
	}
}

const day = 24 * time.Hour

func TestElapsedBoundaries(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0:00"},
		{0, "0:00"},
		{999 * time.Millisecond, "0:00"},
		{time.Second, "0:01"},
		{59*time.Second + 999*time.Millisecond, "0:59"},
		{time.Minute, "1:00"},
		{10*time.Minute + 9*time.Second, "10:09"},
		{59*time.Minute + 59*time.Second, "59:59"},
		{time.Hour, "1:00:00"},
		{23*time.Hour + 59*time.Minute + 59*time.Second, "23:59:59"},
		{day, "1d0:00:00"},
		{day + 2*time.Hour + 3*time.Minute + 4*time.Second, "1d2:03:04"},
		{400*day + 13*time.Hour, "400d13:00:00"},
		{math.MaxInt64, "106751d23:47:16"},
	}
	for _, tt := range tests {
		if got := string(appendElapsed(nil, tt.d)); got != tt.want {
			t.Errorf("appendElapsed(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}

func TestLeftBoundaries(t *testing.T) {
	tests := []struct {
		d    time.Duration
		want string
	}{
		{-time.Second, "0s"},
		{0, "0s"},
		{1, "1s"},
		{time.Second, "1s"},
		{time.Second + 1, "2s"},
		{8600 * time.Millisecond, "9s"},
		{59 * time.Second, "59s"},
		{59*time.Second + 1, "1m00s"},
		{time.Minute, "1m00s"},
		{9*time.Minute + 59*time.Second, "9m59s"},
		{10 * time.Minute, "10m"},
		{59*time.Minute + 59*time.Second, "59m"},
		{59*time.Minute + 59*time.Second + 1, "1h00m"},
		{time.Hour, "1h00m"},
		{9*time.Hour + 59*time.Minute, "9h59m"},
		{10 * time.Hour, "10h"},
		{day - time.Second, "23h"},
		{day, "1d00h"},
		{9*day + 23*time.Hour, "9d23h"},
		{10 * day, "10d"},
		{365 * day, "365d"},
		{(year - 1) * time.Second, "365d"},
		{year * time.Second, "1 years"},
		{(2*year - 1) * time.Second, "1 years"},
		{2 * year * time.Second, "2 years"},
		{math.MaxInt64, "292 years"},
	}
	for _, tt := range tests {
		if got := string(appendLeft(nil, tt.d)); got != tt.want {
			t.Errorf("appendLeft(%v) = %q, want %q", tt.d, got, tt.want)
		}
	}
}
