// SPDX-License-Identifier: MIT
//
// bench-tun-gvisor: gVisor's netstack (Debian's golang-gvisor-gvisor-dev) as a TCP server behind a
// TUN device, with the words of bench/tun.h:
//
//	bench-tun-gvisor DEVICE ADDRESS PORT MTU COUNTER_FILE
//
// Its link endpoint for file descriptors (fdbased) has super-segments on packet sockets only, so a
// TUN carries one packet a system call. Checksums are verified and made in software. Buffers as
// large as berth's, SACK, CUBIC.
package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/fdbased"
	"gvisor.dev/gvisor/pkg/tcpip/link/tun"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	nic         = 1
	chunkBytes  = 128 << 10
	bufferBytes = 4 << 20
	loadSink    = 's' // enum load_kind of bench/load.h
	loadSource  = 'o'
	loadEcho    = 'e'
)

func die(what string, why interface{}) {
	fmt.Fprintf(os.Stderr, "bench-tun: %s: %v\n", what, why)
	os.Exit(1)
}

func mapCounter(path string) *uint64 {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err == nil {
		err = file.Truncate(8)
	}
	if err != nil {
		die(path, err)
	}
	bytes, err := syscall.Mmap(int(file.Fd()), 0, 8, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_SHARED)
	if err != nil {
		die(path, err)
	}
	return (*uint64)(unsafe.Pointer(&bytes[0]))
}

func makeStack(device, address string, mtu uint32) *stack.Stack {
	fd, err := tun.Open(device)
	if err != nil {
		die(device, err)
	}
	endpoint, err := fdbased.New(&fdbased.Options{FDs: []int{fd}, MTU: mtu})
	if err != nil {
		die("fdbased", err)
	}
	out := stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol},
	})
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: bufferBytes}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4096, Default: 1 << 20, Max: bufferBytes}
	tuned := tcpip.TCPModerateReceiveBufferOption(true)
	control := tcpip.CongestionControlOption("cubic")
	for _, option := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send, &tuned,
		&control} {
		if err := out.SetTransportProtocolOption(tcp.ProtocolNumber, option); err != nil {
			die("option", err)
		}
	}
	if err := out.CreateNIC(nic, endpoint); err != nil {
		die("CreateNIC", err)
	}
	own := tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{
			Address: tcpip.Address(net.ParseIP(address).To4()), PrefixLen: 24},
	}
	if err := out.AddProtocolAddress(nic, own, stack.AddressProperties{}); err != nil {
		die(address, err)
	}
	out.SetRouteTable([]tcpip.Route{{Destination: header.IPv4EmptySubnet, NIC: nic}})
	return out
}

func serve(conn net.Conn, counter *uint64) {
	defer conn.Close()
	chunk := make([]byte, chunkBytes)
	kind := byte(0)
	for {
		count, err := conn.Read(chunk)
		if count > 0 && kind == 0 {
			kind = chunk[0]
		}
		switch {
		case kind == loadSink:
			atomic.AddUint64(counter, uint64(count))
		case kind == loadEcho && count > 0:
			_, err = conn.Write(chunk[:count])
		case kind == loadSource:
			for err == nil {
				_, err = conn.Write(chunk)
			}
		}
		if err != nil {
			return
		}
	}
}

func main() {
	if len(os.Args) != 6 {
		fmt.Fprintln(os.Stderr, "usage: bench-tun-gvisor DEVICE ADDRESS PORT MTU COUNTER_FILE")
		os.Exit(2)
	}
	port, _ := strconv.Atoi(os.Args[3])
	mtu, _ := strconv.Atoi(os.Args[4])
	counter := mapCounter(os.Args[5])
	netstack := makeStack(os.Args[1], os.Args[2], uint32(mtu))
	listener, err := gonet.ListenTCP(netstack, tcpip.FullAddress{NIC: nic, Port: uint16(port)},
		ipv4.ProtocolNumber)
	if err != nil {
		die("listen", err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				die("accept", err)
			}
			go serve(conn, counter)
		}
	}()
	fmt.Println("ready")
	input := bufio.NewReader(os.Stdin)
	for {
		if _, err := input.ReadByte(); err != nil {
			return
		}
	}
}
