package xdp

//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel -go-package xdp -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -no-global-types scan bpf/scan.c
//go:generate go run github.com/cilium/ebpf/cmd/bpf2go -target bpfel -go-package xdp -cflags "-O2 -g -Wall -Werror -mcpu=v3 -idirafter /usr/include/x86_64-linux-gnu -idirafter /usr/include/aarch64-linux-gnu" -no-global-types watch bpf/watch.c

// Engine opens links over XDP. The zero value is ready; it is a [link.Engine].
type Engine struct{}

// Name is "xdp".
func (Engine) Name() string { return "xdp" }
