// Command controlplane is what is of the oldest Kubernetes that the end-to-end tests run on: the API
// server, the controller manager and the scheduler. etcd and kubectl are those of the newest one.
//
// It calls the public commands of the three as their own main packages do.
package main

import (
	"fmt"
	"os"
	_ "time/tzdata" // a CronJob may name a time zone on a machine without a zone database

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
)

func main() {
	commands := map[string]func() *cobra.Command{
		"kube-apiserver":          apiserver.NewAPIServerCommand,
		"kube-controller-manager": controllermanager.NewControllerManagerCommand,
		"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
	if len(os.Args) > 1 {
		if command, ok := commands[os.Args[1]]; ok {
			os.Args = os.Args[1:] // the commands read their arguments from here
			os.Exit(cli.Run(command()))
		}
	}
	fmt.Fprintf(os.Stderr, "usage: %s kube-apiserver|kube-controller-manager|kube-scheduler [ARGUMENT...]\n", os.Args[0])
	os.Exit(2)
}
