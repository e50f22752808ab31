// A Kubernetes API server with its etcd in one process, for the suite: the folder of etcd's data, then the flags of
// kube-apiserver.
package main

import (
	"fmt"
	"net/url"
	"os"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	store, err := etcd(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, "etcd:", err)
		os.Exit(1)
	}
	command := app.NewAPIServerCommand()
	command.SetArgs(append(os.Args[2:], "--etcd-servers="+store))
	os.Exit(cli.Run(command))
}

// etcd starts one that keeps its data in a folder, and says where it listens.
func etcd(folder string) (string, error) {
	config := embed.NewConfig()
	config.Dir = folder
	config.LogLevel = "error"
	// What is in it need not outlive the machine.
	config.UnsafeNoFsync = true
	anywhere := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	config.ListenClientUrls = []url.URL{anywhere}
	config.ListenPeerUrls = []url.URL{anywhere}
	started, err := embed.StartEtcd(config)
	if err != nil {
		return "", err
	}
	<-started.Server.ReadyNotify()
	return "http://" + started.Clients[0].Addr().String(), nil
}
