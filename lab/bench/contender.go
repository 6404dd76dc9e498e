package main

import (
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/zmap-go/zmap/lab"
)

// network is what every benchmark scans, or a part of it.
const network = "10.0.0.0/8"

// A contender is one program with the arguments for one scan.
type contender struct {
	name  string
	path  string
	args  []string
	cores string // that it is confined to
	out   string // file that the addresses of answering hosts are in; empty if nobody compares them
	log   string // file that its log is in; empty if nobody reads it
	// ownXDP says that the program attaches an XDP program of its own.
	ownXDP bool
	// memory asks for the peak of its memory.
	memory bool
	// stop is when the program is interrupted, for one that cannot be told how long to send; it may not heed that when nothing
	// more arrives, and is killed then.
	stop time.Duration
}

// Names of contenders. Ours are called by their link.
const (
	baseline = "C zmap"
	masscan  = "masscan"
	reset    = "xdp --rst reset"
	auto     = "auto"
)

// ourName is the name of this zmap over a link.
func ourName(link string) string { return "this zmap, " + link }

// contenders returns the programs that are there, ours first, and names those that are not. They send as fast as they can,
// and write to files in dir.
func (s *session) contenders(set setting, l lab.Link, dir string) (list []contender, missing []string) {
	seconds := int(s.sending(s.long) / time.Second)
	limit := []string{"-t", strconv.Itoa(seconds)}
	if s.count > 0 {
		limit = append(limit, "-n", strconv.Itoa(s.count))
	}
	for _, link := range s.links {
		all := append([]string{"-r", "0", "--link", link, "-p80", network}, limit...)
		if link == "xdp" && set.share > 0 {
			list = append(list, s.ours(reset, set.cores, dir, append(slices.Clone(all), "--rst", "reset")...))
		}
		list = append(list, s.ours(link, set.cores, dir, all...))
	}
	list = append(list, s.theirs(set.cores, l, dir, append([]string{"-B", "100G", "-p80", network}, limit...)...))
	if s.peers {
		list = append(list, s.masscan(set.cores, l, dir, time.Duration(seconds)*time.Second))
	}
	return s.installed(list)
}

// ours is this zmap over a link, or the one it chooses itself.
func (s *session) ours(link, cores, dir string, args ...string) contender {
	c := contender{name: ourName(link), path: s.zmap, cores: cores, out: dir + "/ours", log: dir + "/log", ownXDP: strings.HasPrefix(link, "xdp")}
	c.args = append([]string{
		"-C", "/dev/null", "-b", "/dev/null", "-q", "-v", "4", "-l", c.log, "-T", strconv.Itoa(countCores(cores)), "-e", "7",
		"-c", s.cooldown(), "-o", c.out,
	}, args...)
	return c
}

// theirs is the C zmap that is installed.
func (s *session) theirs(cores string, l lab.Link, dir string, args ...string) contender {
	c := contender{name: baseline, path: "zmap", cores: cores, out: dir + "/zmap"}
	c.args = append([]string{
		"-C", "/dev/null", "-b", "/dev/null", "-q", "-v", "0", "-T", strconv.Itoa(countCores(cores)), "--cores=" + cores, "-e", "7",
		"-c", s.cooldown(), "-o", c.out, "-i", l.Interface, "-G", l.GatewayMAC.String(), "-S", l.Scanner.String(),
		"--max-sendto-failures=2000000000",
	}, args...)
	return c
}

// masscan scans a part of the network that is too large for the time, or the number of targets.
func (s *session) masscan(cores string, l lab.Link, dir string, stop time.Duration) contender {
	parts := 1
	if s.count > 0 {
		parts = max(1, (1<<24)/s.count)
	}
	return contender{name: masscan, path: "masscan", cores: cores, out: dir + "/masscan", stop: stop, args: []string{
		"--rate", "100000000", "-p80", network, "--adapter", l.Interface, "--adapter-ip", l.Scanner.String(), "--router-mac",
		l.GatewayMAC.String(), "--wait", s.cooldown(), "--shards", "1/" + strconv.Itoa(parts), "-oL", dir + "/masscan",
	}}
}

// installed returns those of the list that are there, and are wanted, and the names of those that are not there.
func (s *session) installed(all []contender) (list []contender, missing []string) {
	for _, c := range all {
		if len(s.only) > 0 && !slices.ContainsFunc(s.only, func(o string) bool { return strings.Contains(c.name, o) }) {
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

// cooldown is how long scanners listen, in seconds.
func (s *session) cooldown() string { return strconv.Itoa(int(s.listen / time.Second)) }
