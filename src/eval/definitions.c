/// The tables of definitions.h. What a project's code does was read in its sources; where a paper leaves the averaging
/// open, the note says what we compare it with.
#include "eval/definitions.h"

#include <string.h>

#include "base/text.h"

static const lode_definition_row recbole[] = {
    {"recall", LODE_METRIC_RECALL, false, NULL},
    {"hit", LODE_METRIC_HIT, false, NULL},
    {"precision", LODE_METRIC_PRECISION, false, NULL},
    {"ndcg", LODE_METRIC_NDCG, false, NULL},
    {"mrr", LODE_METRIC_MRR, false, NULL},
    {"map", LODE_METRIC_MAP, false, "divided by min(K,|R|)"},
    {"auc", LODE_METRIC_AUC, false, NULL},
    {"gauc", LODE_METRIC_AUC_CLICKS, false, "users weighted by their clicked candidates"},
    {"itemcoverage", LODE_METRIC_COVERAGE, true, "the catalogue counts [PAD]"},
    {"averagepopularity", LODE_METRIC_AVERAGE_POPULARITY, false, NULL},
    {"giniindex", LODE_METRIC_GINI, true, "the catalogue counts [PAD]"},
    {"shannonentropy", LODE_METRIC_ENTROPY, false, "divided by the distinct items"},
    {"tailpercentage", LODE_METRIC_TAIL_SHARE, false, "tail_ratio 0.1"},
    {0}};

static const lode_definition_row comirec[] = {
    {"recall", LODE_METRIC_RECALL, false, NULL},
    {"ndcg", LODE_METRIC_NDCG_HITS, false, "by hits"},
    {"hitrate", LODE_METRIC_HIT, false, NULL},
    {"diversity", LODE_METRIC_CATEGORY_DIVERSITY, false, "pairs of different category"},
    {0}};

static const lode_definition_row mic[] = {
    {"recall", LODE_METRIC_RECALL, false, "its formula, not its text"},
    {"ndcg", LODE_METRIC_NDCG_HITS, false, "by hits, inferred from its numbers"},
    {"hr", LODE_METRIC_HIT, false, NULL},
    {0}};

static const lode_definition_row sasrec[] = {
    {"hr", LODE_METRIC_HIT, false, "one true item"},
    {"ndcg", LODE_METRIC_NDCG, false, "one true item: 1 / log2(rank + 1)"},
    {0}};

static const lode_definition_row bert4rec[] = {
    {"hit", LODE_METRIC_HIT, false, "one true item"},
    {"ndcg", LODE_METRIC_NDCG, false, "one true item: 1 / log2(rank + 1)"},
    {"mrr", LODE_METRIC_MRR_FULL, false, "over all candidates, no cutoff"},
    {0}};

static const lode_definition_row clrec[] = {
    {"hr", LODE_METRIC_HIT, false, "not defined there"},
    {"pred1-hr", LODE_METRIC_PRED1_HR, false, NULL},
    {"pred5-hr", LODE_METRIC_PRED5_HR, false, "not defined there"},
    {"diversity", LODE_METRIC_DIVERSITY, false, "its aggregate diversity"},
    {"popularity_index", LODE_METRIC_POPULARITY_INDEX, false, "after its text"},
    {0}};

static const lode_definition_row implicit_rows[] = {
    {"precision", LODE_METRIC_PRECISION_TRUNCATED, false, "micro, truncated: a recall"},
    {"map", LODE_METRIC_MAP, false, "divided by min(K,|R|)"},
    {"ndcg", LODE_METRIC_NDCG, false, NULL},
    {0}};

static const lode_definition_row tzrec[] = {
    {"hitrate", LODE_METRIC_RECALL_MICRO, false, "micro: a recall"},
    {"recall", LODE_METRIC_RECALL_MICRO, false, "micro"},
    {0}};

static const lode_definition_row torch_rechub[] = {
    {"hit", LODE_METRIC_RECALL_MICRO, false, "micro: a recall"},
    {"ndcg", LODE_METRIC_NDCG, false, NULL},
    {0}};

static const lode_definition_row selfrec[] = {
    {"hit_ratio", LODE_METRIC_RECALL_MICRO, false, "micro: a recall"},
    {"ndcg", LODE_METRIC_NDCG, false, NULL},
    {0}};

static const lode_definition_row libreco[] = {{"recall", LODE_METRIC_RECALL, false, NULL},
                                              {"ndcg", LODE_METRIC_NDCG_HITS, false, "by hits"},
                                              {"map", LODE_METRIC_MAP_HITS, false, "divided by h"},
                                              {0}};

static const lode_definition_row gorse[] = {{"hr", LODE_METRIC_HIT, false, NULL},
                                            {"recall", LODE_METRIC_RECALL, false, NULL},
                                            {"ndcg", LODE_METRIC_NDCG, false, NULL},
                                            {"map", LODE_METRIC_MAP_ALL, false, "divided by |R|"},
                                            {0}};

static const lode_definition_row bars[] = {{"recall", LODE_METRIC_RECALL, false, NULL},
                                           {"hitrate", LODE_METRIC_HIT, false, NULL},
                                           {"ndcg", LODE_METRIC_NDCG, false, NULL},
                                           {0}};

static const lode_definition_row recommenders[] = {
    {"recall", LODE_METRIC_RECALL, false, NULL}, {"ndcg", LODE_METRIC_NDCG, false, NULL}, {0}};

static const lode_definition_row tfrs[] = {
    {"top_k_accuracy", LODE_METRIC_RECALL_MICRO, false, "one row a true item"}, {0}};

static const lode_definition_row ccl4rec[] = {
    {"auc", LODE_METRIC_AUC, false, NULL},
    {"precision", LODE_METRIC_PRECISION, false, "averaging not stated"},
    {"recall", LODE_METRIC_RECALL, false, "averaging not stated"},
    {"f1", LODE_METRIC_F1, false, "of the two means, as its table"},
    {0}};

static const lode_definition_row alpine[] = {
    {"precision", LODE_METRIC_PRECISION_ALPINE, false, "over min(K, candidates), all users alike"},
    {"recall", LODE_METRIC_RECALL_ALPINE, false, "all users alike"},
    {"f1", LODE_METRIC_F1_ALPINE, false, "of the two means"},
    {0}};

static const lode_definition_row thacil[] = {
    {"auc", LODE_METRIC_AUC_EXPOSURES, false, "users weighted by candidates"},
    {"precision", LODE_METRIC_PRECISION_THACIL, false, "users weighted by candidates"},
    {"recall", LODE_METRIC_RECALL_THACIL, false, "users weighted by candidates"},
    {"ndcg", LODE_METRIC_NDCG_THACIL, false, "by hits, weighted by min(K, candidates)"},
    {0}};

static const lode_definition definitions[] = {
    {"recbole", "RecBole", recbole},
    {"comirec", "ComiRec (Cen et al. 2020), master branch", comirec},
    {"mic", "MIC", mic},
    {"sasrec", "SASRec (Kang & McAuley 2018)", sasrec},
    {"bert4rec", "BERT4Rec (Sun et al. 2019) and CLRec's public table", bert4rec},
    {"implicit", "implicit, ranking_metrics_at_k", implicit_rows},
    {"tzrec", "TorchEasyRec, tools.hitrate and RecallAtK", tzrec},
    {"torch_rechub", "torch-rechub", torch_rechub},
    {"selfrec", "SELFRec", selfrec},
    {"libreco", "LibRecommender", libreco},
    {"gorse", "gorse", gorse},
    {"bars", "BARS", bars},
    {"recommenders", "recommenders (Microsoft)", recommenders},
    {"tfrs", "TensorFlow Recommenders, FactorizedTopK", tfrs},
    {"ccl4rec", "CCL4Rec", ccl4rec},
    {"alpine", "ALPINE (Li et al. 2019)", alpine},
    {"thacil", "THACIL (Chen et al. 2018)", thacil},
    {"clrec", "CLRec's own log (Zhou et al. 2021); its public table is bert4rec", clrec},
};

enum { DEFINITIONS = sizeof definitions / sizeof *definitions };

const lode_definition *lode__definition_at(size_t index) {
    return index < DEFINITIONS ? &definitions[index] : NULL;
}

lode_status lode__definition_find(const char *name, const lode_definition **definition,
                                  lode_error *error) {
    const char *names[DEFINITIONS + 1] = {[DEFINITIONS] = "all"};
    for (size_t i = 0; i < DEFINITIONS; i++) {
        names[i] = definitions[i].name;
        if (strcmp(names[i], name) == 0) {
            *definition = &definitions[i];
            return LODE_OK;
        }
    }
    return lode__fail_unknown(error, LODE_E_USAGE, "unknown definitions", name, names,
                              DEFINITIONS + 1);
}

double lode__definition_value(const lode_definition_row *row, const lode_metrics *metrics,
                              size_t cutoff_index) {
    lode_metrics counted = *metrics;
    counted.items += row->padded ? 1 : 0;
    return lode__metrics_value(&counted, row->metric, cutoff_index);
}
