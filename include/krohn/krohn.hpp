// krohn from outside: languages in, models compiled, checked and refuted, certificates out. What lies below these
// headers (the engine's walkers, formats one by one, pictures) has headers of its own.
//
//     const krohn::Dfa language = krohn::read_language("re:(aaa)*(bb)*").dfa;
//     const krohn::CompileResult compiled = krohn::compile(language);
//     const auto machine = krohn::make_machine(compiled.model, krohn::Semantics::fp32_fma_v1);
//     const krohn::CheckReport report = krohn::check(*machine, language, {}, &compiled.hint);
//     krohn::final_line(report.verdict, machine->alphabet());   // "s PROVED"
//
// Nothing of krohn prints or exits; what is wrong is thrown as one of the types of krohn/error.hpp.
#pragma once

#include "krohn/automata/alphabet.hpp"
#include "krohn/automata/catalog.hpp"
#include "krohn/automata/dfa.hpp"
#include "krohn/automata/language.hpp"
#include "krohn/automata/minimize.hpp"
#include "krohn/automata/product.hpp"
#include "krohn/automata/regex.hpp"
#include "krohn/checkpoints/model_directory.hpp"
#include "krohn/checkpoints/open_model.hpp"
#include "krohn/checkpoints/task.hpp"
#include "krohn/compile/compile.hpp"
#include "krohn/engine/machine.hpp"
#include "krohn/error.hpp"
#include "krohn/export/dense.hpp"
#include "krohn/export/fla.hpp"
#include "krohn/export/kit.hpp"
#include "krohn/languages/language.hpp"
#include "krohn/model/lrnn_model.hpp"
#include "krohn/model/semantics.hpp"
#include "krohn/results/certificate_file.hpp"
#include "krohn/results/check_report.hpp"
#include "krohn/verify/accuracy.hpp"
#include "krohn/verify/certificate.hpp"
#include "krohn/verify/check.hpp"
#include "krohn/verify/extract.hpp"
#include "krohn/verify/failing.hpp"
#include "krohn/verify/refute.hpp"
#include "krohn/verify/verdict.hpp"
