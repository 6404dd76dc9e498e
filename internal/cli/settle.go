package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"
	"github.com/zmap-go/zmap/citizen"
)

// The files of [Streams.Etc].
const (
	machineConf      = "zmap.conf"      // options, unless --config names another file
	machineBlocklist = "blocklist.conf" // the blocklist of scans for which nobody names one
)

// settle adds the options of the configuration file to those of the command line, which come first, and chooses the
// blocklist if neither does.
func (o *scanOptions) settle(options *pflag.FlagSet, etc string) error {
	o.line = givenIn(options)
	var remarks []string
	var err error
	switch {
	case o.config != "":
		if remarks, err = applyConf(options, o.config); err != nil {
			return fmt.Errorf("--config: %w", err)
		}
	case etc != "":
		if remarks, err = applyMachineConf(options, filepath.Join(etc, machineConf)); err != nil {
			return err
		}
	}
	o.remarks = append(o.remarks, remarks...)
	o.typed = givenIn(options)
	if len(o.outputs) == 1 && isDefaultFormat(o.outputs[0]) {
		o.remarks = append(o.remarks, "output module "+o.outputs[0]+" is what a scan without --output-module writes")
		o.outputs = []string{"csv"}
		delete(o.typed, "output-module")
	}
	if o.summary {
		o.remarks = append(o.remarks, "option --summary has nothing to do: the log ends with a summary")
	}
	o.settleBlocklist(etc)
	return nil
}

// applyMachineConf is applyConf for a file that need not be there. One that this user may not read is passed over, as C ZMap
// does, but not in silence: the machine's blocklist may be named there.
func applyMachineConf(options *pflag.FlagSet, path string) (remarks []string, err error) {
	f, err := os.Open(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case errors.Is(err, fs.ErrPermission):
		return []string{"the options in " + path + " are not used: " + fs.ErrPermission.Error()}, nil
	case err != nil:
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	_ = f.Close() // was only read
	return applyConf(options, path)
}

// settleBlocklist chooses the blocklist if nobody did: that of the machine or, if it has none, the built-in one.
func (o *scanOptions) settleBlocklist(etc string) {
	chosen := o.line["blocklist-file"] || o.typed["blocklist-file"] && o.line["config"]
	o.ownList = chosen && !citizen.IsBuiltin(o.blocklist)
	if o.blocklist != "" {
		return
	}
	o.blocklist = citizen.ListSpecial
	if etc == "" {
		return
	}
	// A list that is there and cannot be read is a mistake when it is read, and no reason to scan without it.
	path := filepath.Join(etc, machineBlocklist)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		o.blocklist = path
	}
}

// givenIn returns the long names of the options that were given.
func givenIn(options *pflag.FlagSet) map[string]bool {
	given := make(map[string]bool)
	options.Visit(func(f *pflag.Flag) { given[f.Name] = true })
	return given
}
