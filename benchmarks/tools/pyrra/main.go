// Pyrra prints the rules that Pyrra generates for the objective on its standard input.
//
// It is `pyrra generate` without Pyrra's web pages: its program embeds them, and they are not in its Go
// module.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"github.com/pyrra-dev/pyrra/kubernetes/api/v1alpha1"
	"github.com/pyrra-dev/pyrra/slo"
	"sigs.k8s.io/yaml"
)

func main() {
	generic := flag.Bool("generic-rules", false, "also the rules that have the same name for every objective")
	flag.Parse()
	if err := generate(os.Stdin, os.Stdout, *generic); err != nil {
		fmt.Fprintln(os.Stderr, "pyrra:", err)
		os.Exit(1)
	}
}

func generate(in io.Reader, out io.Writer, generic bool) error {
	text, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	var declared v1alpha1.ServiceLevelObjective
	if err := yaml.UnmarshalStrict(text, &declared); err != nil {
		return err
	}
	if _, err := declared.ValidateCreate(context.Background(), &declared); err != nil {
		return err
	}
	objective, err := declared.Internal()
	if err != nil {
		return err
	}
	groups, err := groups(objective, generic)
	if err != nil {
		return err
	}
	rules, err := yaml.Marshal(monitoringv1.PrometheusRuleSpec{Groups: groups})
	if err != nil {
		return err
	}
	_, err = out.Write(rules)
	return err
}

// groups is what Pyrra makes of an objective, in the order in which it does.
func groups(objective slo.Objective, generic bool) ([]monitoringv1.RuleGroup, error) {
	options := slo.GenerationOptions{}
	var made []monitoringv1.RuleGroup
	if objective.PerformanceOverAccuracy {
		short, long, err := objective.SplitIncreaseRules(options)
		if err != nil {
			return nil, err
		}
		made = append(made, short, long)
	} else {
		increases, err := objective.IncreaseRules(options)
		if err != nil {
			return nil, err
		}
		made = append(made, increases)
	}
	burnRates, err := objective.Burnrates(options)
	if err != nil {
		return nil, err
	}
	made = append(made, burnRates)
	if !generic {
		return made, nil
	}
	alike, err := objective.GenericRules(options)
	if err != nil {
		return nil, err
	}
	return append(made, alike), nil
}
