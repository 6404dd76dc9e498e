// Package privilege gives up what a process may do and does not need any more: capabilities, the user that may do everything, and
// the right to write files. What is given up is gone until the process ends, for all its threads and for programs that it starts.
package privilege

// A Need is what a scan still needs once its links and files are open.
type Need struct {
	// Admin is CAP_NET_ADMIN, for connections of the scan that are handed to the kernel (TCP_REPAIR).
	Admin bool
	// BPF is CAP_BPF, for links by XDP: kernels before 5.19 ask for it at every call of bpf(2).
	BPF bool
	// Folders are where files are still made, written or removed; with any the user stays the same, since they are the user's.
	Folders []string
	// Programs says that others' programs are started, which need what the user lets them have: then only capabilities are given
	// up, and programs of root's get those again.
	Programs bool
}

// A State is what is left.
type State struct {
	User         int      // whose id the process has
	Capabilities []string // in the words of capabilities(7)
	Sealed       bool     // nothing that is executed gets more (PR_SET_NO_NEW_PRIVS)
	Landlock     int      // version of Landlock that keeps files from being written, 0 for none
}
