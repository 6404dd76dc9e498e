package netdev

import (
	"fmt"
	"os"
)

// localPorts says which ports the kernel gives to its own connections (ip_local_port_range in Documentation/networking/ip-sysctl.rst).
const localPorts = "/proc/sys/net/ipv4/ip_local_port_range"

// LocalPorts returns the first and the last port that the kernel of this network namespace gives to connections for which nobody
// chooses one.
func LocalPorts() (first, last uint16, err error) {
	b, err := os.ReadFile(localPorts)
	if err != nil {
		return 0, 0, err
	}
	if _, err := fmt.Sscan(string(b), &first, &last); err != nil {
		return 0, 0, fmt.Errorf("read %s: %w", localPorts, err)
	}
	return first, last, nil
}
