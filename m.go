package main
import ("fmt";"os/exec";"syscall")
func main(){ b:=make([]byte,200<<20); for i:=0;i<len(b);i+=4096{b[i]=1}
c:=exec.Command("/bin/true"); c.Run(); fmt.Println(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss, b[5])
c=exec.Command("/bin/sh","-c","/bin/true; exit 0"); c.Run(); fmt.Println(c.ProcessState.SysUsage().(*syscall.Rusage).Maxrss, b[5])}
