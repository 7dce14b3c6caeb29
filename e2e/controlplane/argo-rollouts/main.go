// Command kubectl-argo-rollouts is the plugin of Argo Rollouts with the commands that tests call. The
// whole plugin holds a dashboard, whose files are not in the module.
package main

import (
	"os"

	"github.com/spf13/cobra"
	"k8s.io/cli-runtime/pkg/genericclioptions"

	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/abort"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/promote"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/retry"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/cmd/undo"
	"github.com/argoproj/argo-rollouts/pkg/kubectl-argo-rollouts/options"
)

func main() {
	streams := genericclioptions.IOStreams{In: os.Stdin, Out: os.Stdout, ErrOut: os.Stderr}
	chosen := options.NewArgoRolloutsOptions(streams)
	root := &cobra.Command{
		Use:               "kubectl-argo-rollouts COMMAND",
		SilenceUsage:      true,
		PersistentPreRunE: chosen.PersistentPreRunE,
	}
	chosen.AddKubectlFlags(root)
	root.AddCommand(
		abort.NewCmdAbort(chosen),
		promote.NewCmdPromote(chosen),
		retry.NewCmdRetry(chosen),
		undo.NewCmdUndo(chosen),
	)
	if root.Execute() != nil {
		os.Exit(1)
	}
}
