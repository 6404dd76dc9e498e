package lab

import (
	"os"
	"testing"
)

// programVariable makes the test binary one of the little programs in program_linux_test.go.
const programVariable = "ZMAP_LAB_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(programVariable); name != "" {
		os.Exit(runProgram(name))
	}
	Main(m)
}
