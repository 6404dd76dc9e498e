package main

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// network is what every benchmark scans.
const network = "10.0.0.0/8"

// A contender is one program with the arguments that make it scan as fast as it can.
type contender struct {
	name string
	path string
	args []string
	out  string // file that the addresses of answering hosts are in
	// bound is how long a run may take, if not runBound. A program that hangs does not end by itself when nothing more
	// arrives, and is interrupted then.
	bound time.Duration
	hangs bool
	// ownXDP says that the program attaches an XDP program of its own.
	ownXDP bool
}

// baseline is the contender that the others are compared with.
const baseline = "installed zmap (C)"

// contenders returns the programs that are there, ours first, and names those that are not. Results go to a file in dir.
func contenders(o *options, link lab.Link, dir string) (list []contender, missing []string) {
	threads := strconv.Itoa(strings.Count(o.cores, ",") + 1)
	ours := func(name string, count int, args ...string) contender {
		out := dir + "/ours"
		return contender{name: "this zmap, " + name, path: o.zmap, args: append([]string{
			"-C", "/dev/null", "-q", "-v", "0", "-r", "0", "-T", threads, "-p", "80", "-n", strconv.Itoa(count), "-c", o.cooldown(), "-o", out,
			"-e", "7", "-b", "/dev/null", network,
		}, args...), out: out, ownXDP: slices.Contains(args, "xdp")}
	}
	all := []contender{
		ours("xdp, own resets", o.fastCount(), "--link", "xdp", "--rst", "reset"),
		ours("xdp, kernel resets", o.fastCount(), "--link", "xdp"),
		ours("socket", o.count, "--link", "socket"),
		{name: baseline, path: "zmap", args: []string{
			"-C", "/dev/null", "-q", "-v", "0", "-B", "100G", "-T", threads, "--cores=" + o.cores, "-p", "80", "-n", strconv.Itoa(o.count),
			"-c", o.cooldown(), "-i", link.Interface, "-G", link.GatewayMAC.String(), "-S", link.Scanner.String(), "-o", dir + "/zmap",
			"-e", "7", "-b", "/dev/null", network,
		}, out: dir + "/zmap"},
		{name: "installed masscan", path: "masscan", args: []string{
			"--rate", "100000000", "-p80", network, "--adapter", link.Interface, "--adapter-ip", link.Scanner.String(),
			"--router-mac", link.GatewayMAC.String(), "--wait", "0", "--shards", "1/" + strconv.Itoa(max(1, (1<<24)/o.count)),
			"-oL", dir + "/masscan",
		}, out: dir + "/masscan", bound: 20 * time.Second, hangs: true},
	}
	for _, c := range all {
		if len(o.only) > 0 && !slices.ContainsFunc(o.only, func(s string) bool { return strings.Contains(c.name, s) }) {
			continue
		}
		path, err := exec.LookPath(c.path)
		if err != nil {
			missing = append(missing, c.name)
			continue
		}
		c.path = path
		list = append(list, c)
	}
	return list, missing
}

// fastCount is the number of targets for links that are much faster: a run should last some seconds.
func (o *options) fastCount() int { return min(8*o.count, 1<<24) }

// cooldown is how long scanners listen, in seconds.
func (o *options) cooldown() string { return strconv.Itoa(int(o.listen / time.Second)) }
